"""Paths of upstream's that the given input was read in place of, put together as upstream puts them together."""

import pytest
from drafts_watched import TENSOR, Watched, function


def folder_of_its_own(path: str) -> Watched:
    seen = Watched(
        run=f"""
            import os
            import torch
            from data import Pictures
            from net import Net

            device = torch.device('cpu')

            def infer(loader, net):
                for x in loader:
                    x = x.to(device)
                    print(net(x))

            def main():
                net = Net()
                folder = '/home/author/faces/'
                for one in os.listdir(folder):
                    pictures = Pictures({path})
                    infer(torch.utils.data.DataLoader(pictures), net)

            if __name__ == '__main__':
                main()
        """,
        net="class Net:\n    pass\n",
        data="class Pictures:\n    pass\n",
    )
    seen.frame("f1", "run", "<module>", device={"device": "cpu"})
    seen.frame("f2", "run", "main", net={"module": "m1"}, folder="/home/author/faces/", one="a.jpg", rest="b.jpg")
    seen.frame("f3", "run", "infer", net={"module": "m1"}, x=TENSOR)
    seen.construct("net", "Net", ("f1", "main("), ("f2", "Net("))
    seen.interventions = [{"what": "read '/home/author/faces/a.jpg' -> the given input", "where": "", "code": ""}]
    seen.call(("f1", "main("), ("f2", "infer("), ("f3", "net(x)"))
    return seen


@pytest.mark.parametrize("path", ["os.path.join(folder, one)", "folder + one", "f'{folder}{one}'"])
def test_a_path_of_a_folder_and_a_name_is_the_input(path: str) -> None:
    made = folder_of_its_own(path).draft()
    assert "pictures = Pictures(path)" in function(made.text, "preprocess")


def test_a_device_of_the_script_is_left_out() -> None:
    assert ".to(" not in function(folder_of_its_own("folder + one").draft().text, "preprocess")


@pytest.mark.parametrize("path", ["os.path.join(folder, rest)", "folder + one + '.bak'", "folder + str(one)"])
def test_another_path_is_not(path: str) -> None:
    made = folder_of_its_own(path).draft()
    assert not made.functions["preprocess"] or "Pictures(path)" not in made.text
